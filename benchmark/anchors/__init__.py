"""Networks of others whose answers are known, and the exam that compares our answers with them."""
