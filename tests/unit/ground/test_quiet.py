from ordertrainer.ground.quiet import quieten


def test_nothing_the_machine_enabled_stays_enabled(tmp_path):
    """Enabled units, timers and plain init scripts of the machine do not start in a clone; the drill's services may."""
    units = tmp_path / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "multi-user.target.wants/shop.service").symlink_to("/lib/systemd/system/shop.service")
    (tmp_path / "lib/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/rc2.d").mkdir()
    for name in ("S01legacy", "S01nginx"):
        (tmp_path / "etc/rc2.d" / name).touch()
    quieten(tmp_path)
    assert not list(units.glob("*.wants"))
    assert (units / "legacy.service").readlink().name == "null"
    assert (units / "apt-daily.timer").readlink().name == "null"
    assert not (units / "nginx.service").exists()
    assert (units / "default.target").readlink().name == "multi-user.target"
