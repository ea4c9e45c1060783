"""Where keys come from: watches with their predicates and mappers, feeds, schedules."""
