"""Tells people what needs them: webhook, Slack, PagerDuty, mail. Network, in threads that are thrown away; never blocks the loop.

notifier = Notifier(config.notify, journal.kept, "host-1", clock)
notifier.say("escalated", incident_id, "nginx.service is down", {"decision": decision_id})
notifier.resolve(incident_id)
"""

from orderd.notify.notifier import Notifier

__all__ = ["Notifier"]
