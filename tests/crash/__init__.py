"""The crash proof: nothing acknowledged is lost, nothing is half-visible, whenever the process dies."""
