"""Stage 5: what operators prefer becomes the weights of costs. Asks people; reads answers and ratings; writes a file of weights.

    bills       what a plan comes to, in the terms of `ordertrainer.costs`
    habits      ways of keeping hosts in order that differ in what they cost
    scenes      a simulated host, and the plans for it to choose from; `plans` lets habits live through it
    words       a scene and its plans in plain words
    answers     the file of answers: one line each, durable, self-contained
    comparisons answers as numbers
    belief      what answers say of the weights: Bradley-Terry, a prior at the defaults, and how sure it is
    choose      the pair of plans whose answer teaches most
    ratings     what `orderctl rate` says, as comparisons; `received` finds ratings in a journal or in what the trainer received
    session     one sitting with a person: which question comes next, what is known after each answer; `keys`, what was typed
    report      weights before and after, agreement with answers that were not used, and what is decided otherwise
    show        questions, progress and reports for people
    cli         `ordertrainer compare` and `ordertrainer prefer`

What is fitted needs no torch; only what is simulated does (habits, plans).

References:
    Ouyang et al. 2022, Training language models to follow instructions with human feedback: supervised start, a reward model from
    comparisons, then PPO.
"""
