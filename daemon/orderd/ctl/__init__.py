"""orderctl: what orderd decided and why, for people at a terminal and for scripts. Talks to orderd's unix socket only."""
