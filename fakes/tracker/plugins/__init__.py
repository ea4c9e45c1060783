"""The built-in admission plug-ins, a module for each subject; `ctrlkit.fakes.tracker.admission` calls them."""
