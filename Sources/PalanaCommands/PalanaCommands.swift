/// PalanaCommands
