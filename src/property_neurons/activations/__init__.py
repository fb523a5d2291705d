"""How strongly neurons are active: values of some speech, kept in one pass, and what they say by group."""
