"""What is known to be good of the host itself. Reads the known-good record.

Shared by the modules of repairs. Standard library only: it runs inside Ansible modules.
"""

import json
import os

from ansible.module_utils.orderd_files import Copies
from ansible.module_utils.orderd_known_good import check_trusted

SETTINGS = "settings.json"
HOST_FILES = "host"


def host_record(known_good):
    """Return the recorded settings and names.

    Raises:
        RecordRefusedError: there is no record, or it cannot be trusted.
    """
    path = os.path.join(known_good, SETTINGS)
    check_trusted(path)
    with open(path) as stream:
        return json.load(stream)


def host_files(known_good):
    """Return the copies of the files behind them.

    Raises:
        RecordRefusedError: there are none, or they cannot be trusted.
    """
    return Copies(os.path.join(known_good, HOST_FILES))
