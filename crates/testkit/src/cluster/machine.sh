# The start of a machine in namespaces: joins its cgroups, and becomes its first process.
# $1 its name, $2 its folder, then its cgroup in each hierarchy, none or all.
set -eu
name=$1 folder=$2
shift 2

# A cpuset takes nobody in before it has processors and memory.
cgroup() {
    mkdir -p "$1"
    for what in cpus mems; do
        [ ! -e "$1/../cpuset.$what" ] || [ -s "$1/cpuset.$what" ] || cat "$1/../cpuset.$what" >"$1/cpuset.$what"
    done
}

if [ "${1-}" != inside ]; then
    for at in "$@"; do
        # What runs in a machine is in a child: with v2 a cgroup holds processes or children.
        cgroup "$at" && cgroup "$at/system" && echo $$ >"$at/cgroup.procs"
    done
    # The namespace's root is where it is now.
    exec unshare --net --mount --pid --ipc --uts --cgroup --fork --kill-child --mount-proc \
        sh "$0" "$name" "$folder" inside "$@"
fi
shift
for at in "$@"; do echo $$ >"$at/system/cgroup.procs"; done

# Mounts below are seen by the pods, and by nobody outside.
mount --make-rprivate /
mount --make-rshared /
for part in /var/lib /var/log /run; do
    mkdir -p "$folder$part"
    mount --bind "$folder$part" "$part"
done
# Not divided by any namespace, and set by a kubelet: what it writes stays here.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
    mkdir -p "$folder/sysctl/${setting%/*}"
    cat "/proc/sys/$setting" >"$folder/sysctl/$setting"
    mount --bind "$folder/sysctl/$setting" "/proc/sys/$setting"
done
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
hierarchies=$(wc -l </proc/self/cgroup)
while IFS=: read -r _ controllers _; do
    case $controllers in
        '') at=unified type=cgroup2 options=rw ;;
        name=*) at=${controllers#name=} type=cgroup options=none,$controllers ;;
        *) at=$controllers type=cgroup options=$controllers ;;
    esac
    # With cgroup v2 alone there is one hierarchy, and it is the root of all.
    [ "$hierarchies" != 1 ] || at=.
    mkdir -p "/sys/fs/cgroup/$at"
    mount -t "$type" -o "$options" cgroup "/sys/fs/cgroup/$at"
done </proc/self/cgroup
hostname "$name"
ip link set lo up
echo "$name is up"
# The first process of a machine reaps.
while :; do
    sleep 3600 &
    wait
done
