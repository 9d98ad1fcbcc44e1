"""What a person sees while a command works: lines of text and progress."""
