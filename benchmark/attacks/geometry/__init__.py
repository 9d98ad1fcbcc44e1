"""Projections and shortest steps: balls, boxes, planes; no network."""
