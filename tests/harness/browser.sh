# Run as process 1 of a cage (see lease.rs): chromedriver and the Chromium that it starts.
# Given in the environment: DIR (its folder), OWNER_UID and OWNER_GID (whose it is).

# Chromium has a UNIX socket in its TMPDIR, 46 bytes further down, of the 107 that a socket's path may have. So it sees our folder under
# a short name, which the file system hierarchy promises, and which the cage alone sees.
prepare() {
    mount --bind "$DIR" /var/opt
    cd "$DIR"
}

# What Chromium writes besides its profile goes to our folder, too.
work() {
    export HOME="$DIR" TMPDIR=/var/opt
    if [ "$OWNER_UID" = 0 ]; then
        without_netlink chromedriver --port=0
    else
        without_netlink setpriv --reuid="$OWNER_UID" --regid="$OWNER_GID" --clear-groups chromedriver --port=0
    fi
}

finish() {
    :
}

# Runs a program to which the kernel refuses netlink sockets (a seccomp filter: socket(AF_NETLINK, ...) fails with EAFNOSUPPORT). By these Chromium
# hears of each address that this machine gets or loses, as it does by other tests' cables, and then drops what it is loading: ERR_NETWORK_CHANGED.
without_netlink() {
    perl -MPOSIX=uname -e '
        my %numbers = (x86_64 => [41, 157], aarch64 => [198, 167]);
        my ($socket, $prctl) = @{$numbers{(uname())[4]} // []};
        if ($socket) {
            # Load the number of the call; unless it is socket, allow; load its family; unless it is netlink, allow; refuse.
            my $filter = pack "(SCCL)*", 0x20, 0, 0, 0, 0x15, 0, 3, $socket, 0x20, 0, 0, 16, 0x15, 0, 1, 16,
                0x06, 0, 0, 0x50000 | 97, 0x06, 0, 0, 0x7fff0000;
            my $program = pack "S x6 P", length($filter) / 8, $filter;
            # PR_SET_NO_NEW_PRIVS; PR_SET_SECCOMP, SECCOMP_MODE_FILTER.
            syscall($prctl, 38, 1, 0, 0, 0) == 0 && syscall($prctl, 22, 2, $program) == 0 or die "no filter: $!\n";
        }
        exec @ARGV or die "cannot run $ARGV[0]: $!\n";
    ' -- "$@"
}
