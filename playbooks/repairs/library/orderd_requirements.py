#!/usr/bin/python
"""Ansible module: finds what a unit requires, by the known-good record, and does not run. Reads only.

What only a drop-in of today requires is left alone: it may be what is wrong, and nobody has ever seen it run.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, recorded
from ansible.module_utils.orderd_space import NOT_THE_CASE

DOCUMENTATION = """
module: orderd_requirements
short_description: find what a unit requires and does not run
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
"""

UNITS = "units.json"
DOWN = ("inactive", "failed")


def down(module):
    """Return the recorded requirements that do not run and are not about to."""
    required = recorded(module.params["known_good"], UNITS, module.params["unit"])["requires"]
    return [unit for unit in required if _state(module, unit) in DOWN]


def _state(module, unit):
    command = ["/usr/bin/systemctl", "show", "--property=ActiveState", "--value", "--", unit]
    return module.run_command(command, check_rc=True)[1].strip()


def main():
    """Find them."""
    module = AnsibleModule(
        argument_spec={"unit": {"type": "str", "required": True}, "known_good": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        units = down(module)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    nothing = "{}all that {} requires by the record runs".format(NOT_THE_CASE, module.params["unit"])
    module.exit_json(changed=False, msg=f"{', '.join(units)} does not run" if units else nothing, units=units)


if __name__ == "__main__":
    main()
