/// PalanaControl
