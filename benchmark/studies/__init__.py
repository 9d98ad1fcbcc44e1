"""The paper's analyses, one a file: numbers out, as tidy frames. Figures are drawn by `reports`."""
