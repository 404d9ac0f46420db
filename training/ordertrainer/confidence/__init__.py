"""Stage 6, confidence: probabilities that come true, sets that hold the truth, and a threshold on "anything wrong".

    verdicts     what was said of each judged entity, flat
    temperature  one number that makes probabilities come true
    conformal    label sets that hold the truth nine times in ten, whatever the model
    adaptive     the same, followed on one host while its workload drifts
    threshold    how much P(anything wrong) has to be for a host to be looked at
    report       all of it on hosts that nobody calibrated on
    words        for people, and for a model's card

Nothing here knows a network: it works on what any diagnoser said.
"""
