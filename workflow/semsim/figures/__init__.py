"""Every figure of the study; they read tables and images, and never compute a metric."""
