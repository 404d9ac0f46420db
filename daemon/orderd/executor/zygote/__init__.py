"""The zygote: a root process with Ansible imported that forks once per repair. The only importer of ansible and ansible_runner.

zygote (its own unit)  accepts a job, forks
└─ repair process    waits until it sits in its scope; mounts a tmpfs, copies and hashes, runs ansible_runner
├─ playbook server   forked with Ansible warm; runs the CLI for the stub
└─ ansible-playbook  a stub on PATH that ansible_runner starts; hands its stdio to the playbook server
"""
