"""Which server is told: the one that was asked for, in MLflow's own names, and none where none was."""

import pytest

from ordertrainer.tracking import TrackingError, server

URI = "MLFLOW_TRACKING_URI"


@pytest.mark.parametrize(
    "environment", [{}, {URI: ""}, {URI: "sqlite:///mlruns.db"}, {URI: "file:///mlruns"}, {URI: "databricks"}]
)
def test_without_a_server_nobody_is_told(environment):
    """Other stores may be meant for other programs of the same shell."""
    assert server(None, environment) is None


def test_the_command_line_goes_before_the_environment():
    """And a slash at the end changes nothing."""
    found = server("http://one:5000/", {URI: "http://other:5000", "MLFLOW_EXPERIMENT_NAME": "nightly"})
    assert (found.uri, found.experiment) == ("http://one:5000", "nightly")
    assert server(None, {URI: "https://other/path/"}).uri == "https://other/path"


@pytest.mark.parametrize("uri", ["one:5000", "sqlite:///x.db", "http://", "ftp://one"])
def test_what_was_asked_for_by_hand_has_to_be_an_address(uri):
    """With the value, and what it must be."""
    with pytest.raises(TrackingError, match=r"--mlflow .*: not the address of a tracking server; give http\(s\)://HOST:PORT"):
        server(uri, {})


@pytest.mark.parametrize(
    ("uri", "environment", "header"),
    [
        ("http://one", {}, ""),
        ("http://one", {"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ("http://one", {"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
        ("http://u:p@one:5000", {"MLFLOW_TRACKING_TOKEN": "t"}, "Basic dTpw"),
    ],
)
def test_credentials_are_sent_and_never_kept_in_the_address(uri, environment, header):
    """Addresses are printed, and written beside checkpoints."""
    found = server(uri, environment)
    assert found.authorization == header
    assert "@" not in found.uri
