# Run as process 1 of a cage (see lease.rs): a libvirtd that believes it is the machine's only one.
# Given in the environment: BED (its folder), CACHE (what libvirtd found out about QEMU, kept between runs), OWNER (uid:gid of the
# folder), FIRST_PATH (a folder to search programs in first, or empty). For a machine of its own on a network also NET (its number)
# and SSHD (the SSH server's program).

# Puts BED/$2 in the place of the system's folder $1. Where that does not exist, its parent gets a layer that lives only in
# this mount namespace, so that the system stays as it is.
place() {
    if [ ! -d "$1" ]; then
        parent=${1%/*}
        layer=$(echo "$parent" | tr / _)
        mkdir -p "layers/$layer/upper" "layers/$layer/work"
        mount -t overlay overlay \
            -o "lowerdir=$parent,upperdir=layers/$layer/upper,workdir=layers/$layer/work" "$parent" ||
            echo "no overlay on $parent: making $1 on the system itself"
        mkdir -p "$1"
    fi
    mount --bind "$BED/$2" "$1"
}

# Adds a user or group that a daemon asks for by name to a copy of the system's file.
know() {
    if ! grep -q "^${2%%:*}:" "$1"; then
        { cat "$1"; echo "$2"; } >"$BED/${1##*/}.${2%%:*}"
        mount --bind "$BED/${1##*/}.${2%%:*}" "$1"
    fi
}

# A network namespace, joined to the one around it by a cable: wct$NET there, wcr$NET in here. Both end with the cage. Whoever had
# the number before is gone, and what is left of his cable with him.
join_network() {
    v4=198.18.$NET v6=fd77:6374:$NET:
    ip link delete "wct$NET" 2>/dev/null || :
    : >net && unshare --net=net true
    ip link add "wct$NET" type veth peer name "wcr$NET"
    ip link set "wcr$NET" netns "$BED/net"
    ip address add "$v4.1/30" dev "wct$NET"
    ip address add "$v6:1/126" dev "wct$NET" nodad
    ip link set "wct$NET" up
    inside ip link set lo up
    inside ip address add "$v4.2/30" dev "wcr$NET"
    inside ip address add "$v6:2/126" dev "wcr$NET" nodad
    inside ip link set "wcr$NET" up
    # With a reverse path filter a pulled cable would tell of itself: the neighbour could not be found any more.
    inside sh -c 'for filter in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >"$filter" || :; done'
    # Without its cable nothing that is meant for this machine leaves by another way.
    ip route replace unreachable "$v4.0/30" metric 9999
    ip -6 route replace unreachable "$v6:/126" metric 9999
    mkdir -p -m 0755 /run/sshd
    know /etc/passwd 'sshd:x:64056:65534::/run/sshd:/usr/sbin/nologin'
    # Root's password in here, for SSH; nobody else has one.
    (umask 0077 && echo "root:$(cat root_password):19000:0:99999:7:::" >shadow)
    mount --bind shadow /etc/shadow
}

inside() {
    if [ -n "${NET:-}" ]; then nsenter --net="$BED/net" -- "$@"; else "$@"; fi
}

# The machine's answers vanish: who connects waits, and who is connected hears nothing more.
unplug() {
    inside ip route replace blackhole "198.18.$NET.1/32"
    inside ip -6 route replace blackhole "fd77:6374:$NET::1/128"
    : >unplugged
}
plug() {
    inside ip route delete blackhole "198.18.$NET.1/32"
    inside ip -6 route delete blackhole "fd77:6374:$NET::1/128"
    : >plugged
}

prepare() {
    cd "$BED"
    mkdir -p etc lib run log cache/qemu/capabilities layers
    cp "$CACHE"/*.xml cache/qemu/capabilities/ 2>/dev/null || :
    mount -t tmpfs tmpfs layers
    # An empty /run hides the system's bus: nothing here shall register with its systemd.
    case $BED/ in
        /run/*) ;;
        *) mount -t tmpfs tmpfs /run && mkdir /run/libvirt ;;
    esac
    place /run/libvirt run
    place /etc/libvirt etc
    place /var/lib/libvirt lib
    place /var/log/libvirt log
    place /var/cache/libvirt cache
    know /etc/group 'libvirt-qemu:x:64055:'
    know /etc/passwd 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'
    [ -z "${NET:-}" ] || join_network
}

work() {
    export PATH="${FIRST_PATH:+$FIRST_PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    listen=
    if [ -n "${NET:-}" ]; then
        listen=--listen
        export SASL_CONF_PATH="$BED/sasl"
        serve 22
    fi
    while :; do
        inside libvirtd $listen && status=0 || status=$?
        if [ -e restarting ]; then
            mv restarting ended-once
        elif [ -e slain ]; then
            : >ended-once
            while [ -e slain ]; do sleep 0.05; done
        else
            return "$status"
        fi
    done
}

# The daemon's PID in this cage.
daemon() {
    for comm in /proc/[0-9]*/comm; do
        [ "$(cat "$comm" 2>/dev/null)" = libvirtd ] || continue
        comm=${comm%/comm}
        echo "${comm#/proc/}"
        return
    done
}

# Makes it hang: it keeps its sockets and answers nothing.
pause() { kill -STOP "$(daemon)" && : >paused; }
resume() { kill -CONT "$(daemon)" && rm -f paused; }
# Guests go on meanwhile.
restart() { : >restarting && kill -TERM "$(daemon)"; }
slay() { rm -f paused && : >slain && kill -KILL "$(daemon)"; }
revive() { rm -f slain; }

# An SSH server on port $1, with sshd-$1.conf.
serve() {
    inside "$SSHD" -D -f "$BED/sshd-$1.conf" -E "$BED/sshd-$1.log" &
    echo "$!" >"sshd-$1.pid"
}
# Process $1 and all that descend from it.
family() {
    echo "$1"
    for status in /proc/[0-9]*/status; do
        grep -q "^PPid:	$1\$" "$status" 2>/dev/null || continue
        status=${status#/proc/}
        family "${status%/status}"
    done
}
signal_sshd() {
    # One of them may end meanwhile by itself.
    for process in $(family "$(cat "sshd-$1.pid")"); do kill "-$2" "$process" 2>/dev/null || :; done
    : >"sshd-$1.$2"
}
freeze_sshd() { signal_sshd "$1" STOP; }
thaw_sshd() { signal_sshd "$1" CONT; }
# With all its connections.
kill_sshd() { signal_sshd "$1" KILL; }

# Keeps what libvirtd found out about QEMU for the next bed: whole files only.
save() {
    mkdir -p "$CACHE"
    for file in cache/qemu/capabilities/*.xml; do
        [ -e "$file" ] || continue
        kept=$CACHE/${file##*/}
        # A new version of QEMU has new answers under the old name. The bed's own name keeps two beds' files apart.
        cmp -s "$file" "$kept" || { cp "$file" "$CACHE/${BED##*/}.new" && mv "$CACHE/${BED##*/}.new" "$kept"; }
    done
    chown -R "$OWNER" "$CACHE"
    : >"$BED/saved"
}

finish() {
    if [ -n "${NET:-}" ]; then
        ip route delete unreachable "198.18.$NET.0/30" metric 9999 || :
        ip -6 route delete unreachable "fd77:6374:$NET::/126" metric 9999 || :
        ip link delete "wct$NET" || :
        umount net || :
    fi
    umount layers 2>/dev/null || :
    chown -R "$OWNER" "$BED"
}
