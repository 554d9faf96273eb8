// Name resolution through libresolv.
