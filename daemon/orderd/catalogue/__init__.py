"""The catalogue of repairs: folders of playbooks, each with a contract, each file known by its hash. Reads the disk."""

from orderd.catalogue.load import Catalogue, load_repairs

__all__ = ["Catalogue", "load_repairs"]
