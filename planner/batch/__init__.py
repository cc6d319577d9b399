"""Many instances: processes side by side, one row of results each, resumed where they stopped."""
