"""What a finished run leaves behind, so that its command is answered without torch."""
