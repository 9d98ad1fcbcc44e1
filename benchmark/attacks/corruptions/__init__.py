"""The corruptions of ImageNet-C (Hendrycks and Dietterich 2019), as attackers."""
