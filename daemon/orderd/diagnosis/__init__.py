"""What is wrong with which entity: rules as the floor, the order model beside them. Pure."""

from orderd.diagnosis.abstention import Abstention, Doubt
from orderd.diagnosis.merge import Opinion, merge
from orderd.diagnosis.model import by_model, untaught
from orderd.diagnosis.nameless import nameless
from orderd.diagnosis.rules import by_rules, emerging
from orderd.diagnosis.standing import Standing

__all__ = ["Abstention", "Doubt", "Opinion", "Standing", "by_model", "by_rules", "emerging", "merge", "nameless", "untaught"]
