"""The fleet owner's side of trust: makes keys, signs models and playbooks, and checks what was signed."""
