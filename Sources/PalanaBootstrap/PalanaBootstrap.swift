/// PalanaBootstrap
