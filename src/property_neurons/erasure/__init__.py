"""Erasure studies: whom the erasure of a group's neurons harms (Table 1)."""
