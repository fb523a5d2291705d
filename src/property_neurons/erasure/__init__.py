"""Erasure studies: whom it harms to erase a group (Table 1)."""
