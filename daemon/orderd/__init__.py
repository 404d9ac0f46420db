"""orderd keeps a Linux host in order: it samples, diagnoses, repairs through Ansible playbooks and proves the repair."""

__version__ = "0.1.0"
