"""The lifecycle node `localizer`."""
