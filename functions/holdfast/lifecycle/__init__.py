"""The declared end of life: planning, sweeping and purging what policies say is due."""
