"""The parts of check_image.py."""
