#!/usr/bin/python
"""Ansible module: enables a unit that the known-good record saw enabled. Touches the links by which systemd starts it by itself.

Only one that is disabled: a unit that is masked, static or broken has another trouble.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, recorded
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_enable
short_description: enable a unit that was enabled
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
"""

UNITS = "units.json"
SYSTEMCTL = "/usr/bin/systemctl"


def why_not(module):
    """Say why it is not to be enabled; empty when it is."""
    unit = module.params["unit"]
    was = recorded(module.params["known_good"], UNITS, unit)["unit_file_state"]
    if was != "enabled":
        return f"{unit} was {was or 'not known'} when it was recorded"
    _status, output, _error = module.run_command(
        [SYSTEMCTL, "show", "--property=UnitFileState", "--value", "--", unit], check_rc=True
    )
    return "" if output.strip() == "disabled" else f"{unit} is {output.strip() or 'not known'}"


def main():
    """Enable it."""
    module = AnsibleModule(
        argument_spec={"unit": {"type": "str", "required": True}, "known_good": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        reason = why_not(module)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    if reason:
        module.exit_json(changed=False, msg=NOT_THE_CASE + reason)
    if not module.check_mode:
        module.run_command([SYSTEMCTL, "--no-ask-password", "enable", "--", module.params["unit"]], check_rc=True)
    module.exit_json(changed=True, msg="{} is enabled".format(module.params["unit"]))


if __name__ == "__main__":
    main()
