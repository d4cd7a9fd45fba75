"""What malls of partners use: redeeming for citizens that they brought."""
