"""All figures of the study. They read tables and images and never compute a metric."""
