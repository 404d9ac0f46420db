#!/usr/bin/python
"""Ansible module: stops one process, named by pid and start time. Touches that process only."""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_process import ProcessRefusedError, stop

DOCUMENTATION = """
module: orderd_process
short_description: stop one process for certain
options:
  pid: {type: int, required: true, description: process id}
  start_ticks: {type: int, required: true, description: start time in clock ticks since boot}
  grace_s: {type: float, default: 0.5, description: seconds between TERM and KILL}
  protected_units: {type: list, elements: str, default: [], description: units whose processes are refused}
"""


def main():
    """Stop the process unless it is protected."""
    module = AnsibleModule(
        argument_spec={
            "pid": {"type": "int", "required": True},
            "start_ticks": {"type": "int", "required": True},
            "grace_s": {"type": "float", "default": 0.5},
            "protected_units": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    try:
        outcome = stop(
            wanted["pid"], wanted["start_ticks"], wanted["protected_units"], wanted["grace_s"], dry_run=module.check_mode
        )
    except ProcessRefusedError as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=outcome != "gone", msg=f"process {wanted['pid']}: {outcome}", outcome=outcome)


if __name__ == "__main__":
    main()
