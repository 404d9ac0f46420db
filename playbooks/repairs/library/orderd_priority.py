#!/usr/bin/python
"""Ansible module: gives the threads of a service their recorded nice value back. Touches their scheduling.

Only threads that are nicer than any of the unit's processes was when it was recorded; a service that makes some of its own
processes nicer is left as it likes to be. More than once, for those that are born meanwhile: whoever is born inherits it.
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orderd_known_good import RecordRefusedError, recorded
from ansible.module_utils.orderd_process import units_of

DOCUMENTATION = """
module: orderd_priority
short_description: restore how nice a service is
options:
  unit: {type: str, required: true, description: name of the unit}
  known_good: {type: str, required: true, description: folder of the known-good record}
"""

LIMITS = "limits.json"
PROC = "/proc"
ROUNDS = 3


def threads_of(unit):
    """Return the ids of the threads of the unit's processes, wherever in its control group they are."""
    pids = [pid for pid in os.listdir(PROC) if pid.isdigit() and int(pid) > 1 and unit in units_of(int(pid))]
    return [int(thread) for pid in pids for thread in _entries(f"{PROC}/{pid}/task")]


def _entries(folder):
    try:
        return os.listdir(folder)
    except OSError:  # it has ended
        return []


def nicer_than(threads, limit):
    """Return those that are nicer."""
    return [thread for thread in threads if (nice := _nice(thread)) is not None and nice > limit]


def _nice(thread):
    try:
        return os.getpriority(os.PRIO_PROCESS, thread)
    except ProcessLookupError:
        return None


def restore(params, dry_run):
    """Renice every thread that is too nice.

    Returns:
        How many there were.
    """
    entry, found = recorded(params["known_good"], LIMITS, params["unit"]), set()
    for _ in range(ROUNDS):
        wrong = nicer_than(threads_of(params["unit"]), max(entry["nices"]))
        found.update(wrong)
        for thread in [] if dry_run else wrong:
            try:
                os.setpriority(os.PRIO_PROCESS, thread, entry["nice"])
            except ProcessLookupError:
                continue
    return len(found)


def main():
    """Restore the nice values."""
    module = AnsibleModule(
        argument_spec={"unit": {"type": "str", "required": True}, "known_good": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    unit = module.params["unit"]
    try:
        count = restore(module.params, module.check_mode)
    except (RecordRefusedError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=count > 0, msg=f"{unit}: {f'{count} threads reniced' if count else 'as nice as recorded'}")


if __name__ == "__main__":
    main()
