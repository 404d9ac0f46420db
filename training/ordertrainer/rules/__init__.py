"""What a model learned, as a short list of rules that a person can review; and the same list as an ansible-rulebook.

    windows    hosts to ask about: simulated incidents, or recorded ones
    teachers   something that answers for windows: an exported order model, a policy, orderd's own rules
    facts      the newest signals of one entity, and shares of its host: all that a rule may look at
    words      numbers with their units, and the roundest one that means the same
    rule       comparisons and a conclusion; the first rule that holds decides
    grow       trees, and the rules along their branches
    choose     shorter rules, and the few of them that say most
    fidelity   how often the list says what the model says, on incidents that the list was not made from
    remedies   what follows from a conclusion: the repair that orderd would try first
    distil     all of it, from a teacher to a report
    pages      a report as a table and as Markdown
    rulebook   a report's rules as YAML for ansible-rulebook; `feed` says where its events come from

The list is for reading. It is made by imitation and never decides anything in orderd; where it disagrees with the model, the
figures beside it say how often.
"""
