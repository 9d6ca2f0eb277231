# Run as process 1 of a cage (see lease.rs): chromedriver and the Chromium that it starts.
# Given in the environment: DIR (its folder), OWNER_UID and OWNER_GID (whose it is).

prepare() {
    cd "$DIR"
}

# What Chromium writes besides its profile goes to our folder, too.
work() {
    export HOME="$DIR" TMPDIR="$DIR"
    if [ "$OWNER_UID" = 0 ]; then
        chromedriver --port=0
    else
        setpriv --reuid="$OWNER_UID" --regid="$OWNER_GID" --clear-groups chromedriver --port=0
    fi
}

finish() {
    :
}
