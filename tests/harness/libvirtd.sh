# Run as process 1 of a cage (see lease.rs): a libvirtd that believes it is the machine's only one.
# Given in the environment: BED (its folder), CACHE (what libvirtd found out about QEMU, kept between runs), OWNER (uid:gid of the
# folder), FIRST_PATH (a folder to search programs in first, or empty).

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

# Adds the user or group that libvirtd asks for by name to a copy of the system's file.
know() {
    if ! grep -q '^libvirt-qemu:' "$1"; then
        { cat "$1"; echo "$2"; } >"$BED/${1##*/}"
        mount --bind "$BED/${1##*/}" "$1"
    fi
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
}

work() {
    export PATH="${FIRST_PATH:+$FIRST_PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    while libvirtd && [ -e restarting ]; do mv restarting ended-once; done
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
resume() { kill -CONT "$(daemon)" && rm paused; }
# Guests go on meanwhile.
restart() { : >restarting && kill -TERM "$(daemon)"; }

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
    umount layers 2>/dev/null || :
    chown -R "$OWNER" "$BED"
}
