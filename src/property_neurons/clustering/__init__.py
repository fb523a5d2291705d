"""Groups that speech falls into by itself, in place of phones and of genders (arXiv 2506.21712)."""
