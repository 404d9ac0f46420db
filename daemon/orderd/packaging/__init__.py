"""What turns the project into something a host can install: units, users, the release bundle."""
