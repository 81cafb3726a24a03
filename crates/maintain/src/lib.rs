//! Moves data by the rules that were applied: batches, archive. What a rule means is for `core` to say.
