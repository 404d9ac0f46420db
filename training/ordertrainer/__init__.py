"""ordertrainer breaks disposable hosts on purpose, learns which repair works, and releases the order model."""
