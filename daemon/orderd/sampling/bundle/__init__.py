"""What a person needs to go on from where orderd gave up: one JSON file per incident. Starts a process, writes one folder."""

from orderd.sampling.bundle.collector import BundleCollector

__all__ = ["BundleCollector"]
