"""Two hundred names nobody would give a service, unless to see what happens. Pure."""

import random

_PAYLOADS = (
    "{{ lookup('pipe', 'touch MARK') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% set x = lookup('ansible.builtin.pipe', 'touch MARK') %}{{ x }}",
    "{# comment #}{{ 7 * 7 }}",
    "$(touch MARK)",
    "`touch MARK`",
    "; touch MARK ;",
    "| touch MARK",
    "&& touch MARK",
    "> MARK",
    "$IFS$(touch${IFS}MARK)",
    "\n- name: more\n  ansible.builtin.command: touch MARK",
    '"}}, {"cmd": "touch MARK"}',
    "!!python/object/apply:os.system [touch MARK]",
    "!unsafe x",
    "!vault |",
    "&anchor *anchor",
    "'; import os; os.system('touch MARK'); '",
    '" $(touch MARK) "',
    "\\$(touch MARK)",
    "%(x)s %s %n",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/shadow\x00.service",
    "--check",
    "-e @/etc/passwd",
    "@/etc/shadow",
    "yes",
    "null",
    "0x10",
    "~",
    "",
    " ",
    "\t\r\n",
    "\x1b]0;owned\x07\x1b[31m",
    "\u202etxt.ecivres",
    "\u2028\u2029",
    "nginx.service\u200b",
    "ngіnx.service",  # noqa: RUF001 - the Cyrillic letter is the point
    "\U0001f600",
    "a" * 256,
    "b" * 4000,
    "é" * 128,
    "nginx.service; rm -rf /",
    "nginx.service\nredis.service",
    "orderd.service",
    "init.scope",
    "CON",
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
)
_WRAPPERS = ("{0}", "{0}.service", "nginx@{0}.service", "/srv/{0}", "x{0}y")


def names(count: int, mark: str, seed: int = 11) -> list[str]:
    """Return hostile names.

    Args:
        count: how many.
        mark: path of a file that exists afterwards only if one of them was executed.
        seed: of the names beyond the fixed ones.

    Returns:
        Distinct strings; all can be encoded as UTF-8.
    """
    found = dict.fromkeys(wrapper.format(payload.replace("MARK", mark)) for wrapper in _WRAPPERS for payload in _PAYLOADS)
    chance = random.Random(seed)
    while len(found) < count:
        found["".join(chr(chance.choice((*range(1, 127), 0x202E, 0x2028, 0xFFFD))) for _ in range(chance.randint(1, 300)))] = None
    return list(found)[:count]
