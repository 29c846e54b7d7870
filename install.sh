#!/bin/sh
# Sets up AION-OS on this machine. Run it again at any time: what is there already stays.
# It needs no file beside it where it is given a package: curl … | sh -s -- --local --from-package URL
set -eu

# The public key that packages are signed with, the inner lines of its PEM in one; `make package` fills it in.
pinned_key=''

usage() {
    cat <<'TEXT'
Sets up AION-OS.

  ./install.sh --local                build from this folder, start the node, apply the shipped agents

With --local:
  --from-package FILE|URL  take a package, made by `make package`, instead of building; its signature,
                           FILE.sigstore.json, is verified before anything of it is unpacked
  --key FILE               the public key that it must be signed with  [default: the one in this script]
  --prefix FOLDER          programs go to FOLDER/bin, what comes with them to FOLDER/share/aion-os
                           [default: where the state is, and a folder beside it]
  --docs FOLDER            the documents that the librarian reads  [default: those of AION-OS]
  --no-start               build and install only
  --no-service             nothing starts the node again when it ends, or at boot
  --no-gateway             without the gateway, where programs ask agents by REST or OpenAI's API
  --yes                    ask nothing

  ./install.sh --uninstall [--purge]  stop the node and remove the programs; --purge also removes
                                      all state: agents, memory, keys, journal, where a set-up made it
  ./install.sh --build FOLDER [--cluster]
                                      build the programs into FOLDER, and nothing else; with --cluster as a
                                      cluster needs them: able to speak to Kubernetes, and the operator

State is in ~/.aion, root's in /var/lib/aion, or where AION_HOME says. CARGO_TARGET_DIR is honoured. As
root every layer of the agents' sandbox can be had, and daemon and gateway run as system users, aion and
aion-gateway, which are made; as an ordinary user those layers that need no privileges.

The node is started again when it ends, and at boot where something here does that: by units of systemd,
or by a supervisor of its own.
TEXT
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
action='' docs='' package='' key='' built='' start=yes ask=yes purge=no cluster=no prefix='' work='' service='' gateway=''

fail() {
    printf '\nerror: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '   do: %s\n' "$2" >&2
    exit 1
}

step() { printf '\n%s== %s%s\n' "$strong" "$1" "$plain"; }
say() { printf '   %s\n' "$1"; }
value() { [ -n "${2:-}" ] || { usage >&2; fail "$1 needs a value"; }; }

while [ $# -gt 0 ]; do
    case $1 in
        --local) action=local ;;
        --uninstall) action=uninstall ;;
        --build) value "$1" "${2:-}"; action=build built=$2; shift ;;
        --cluster) cluster=yes ;;
        --purge) purge=yes ;;
        --prefix) value "$1" "${2:-}"; prefix=$2; shift ;;
        --docs) value "$1" "${2:-}"; docs=$2; shift ;;
        --from-package) value "$1" "${2:-}"; package=$2; shift ;;
        --key) value "$1" "${2:-}"; key=$2; shift ;;
        --no-start) start=no ;;
        --no-service) service=--no-service ;;
        --no-gateway) gateway=--no-gateway ;;
        --yes | -y) ask=no ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; printf '\nerror: there is no option %s\n' "$1" >&2; exit 2 ;;
    esac
    shift
done
[ -n "$action" ] || { usage; exit 2; }
[ $cluster = no ] || [ $action = build ] || { usage >&2; fail '--cluster goes with --build' 'see docs/install-kubernetes.md for a cluster'; }

[ -n "${HOME:-}" ] || fail 'the variable HOME is not set' 'set it to your home folder'
root=no earlier=''
[ "$(id -u)" != 0 ] || root=yes
if [ "$root" = yes ] && [ -z "${AION_HOME:-}" ]; then
    # Root's own folder lets no other user in, and the daemon is one.
    AION_HOME=/var/lib/aion
    # Only root's own: HOME may be a person's (sudo -E), and what is written there is run below.
    if [ ! -e "$AION_HOME" ] && [ -f "$HOME/.aion/config/installed" ] &&
        [ -n "$(find "$HOME/.aion" -prune -user 0 2>/dev/null)" ]; then
        earlier=$HOME/.aion
        [ "$action" = local ] || AION_HOME=$earlier
    fi
fi
AION_HOME=${AION_HOME:-$HOME/.aion}
# A folder has one spelling here: units and the mark of a set-up are compared as text.
absolute() {
    case $1 in /*) place=$1 ;; *) place=$PWD/$1 ;; esac
    while [ "$place" != "${place%/}" ] && [ "$place" != / ]; do place=${place%/}; done
    printf '%s' "$place"
}
AION_HOME=$(absolute "$AION_HOME")
export AION_HOME
installed=$AION_HOME/config/installed
mark='AION-OS was set up here by install.sh, with the programs in bin/ of:'
# Taken away from where it was put.
[ -n "$prefix" ] || [ "$action" != uninstall ] || prefix=$(sed -n 2p "$installed" 2>/dev/null || true)
prefix=${prefix:-$AION_HOME}
prefix=$(absolute "$prefix")
bin=$prefix/bin
# What comes with a package lies outside the state, of which no agent is shown anything.
[ "$prefix" = "$AION_HOME" ] && share=$AION_HOME-share || share=$prefix/share/aion-os
programs='aion-node aion-launcher aion-worker aion-compiler aionctl aion-gateway'
[ $cluster = no ] || programs="$programs aion-operator"
[ -t 1 ] && terminal=yes || terminal=no
strong='' plain=''
if [ "$terminal" = yes ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    strong=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

# Where a link makes aionctl reachable without touching anybody's profile.
link_folder() {
    if [ "$(id -u)" = 0 ] && [ -w /usr/local/bin ]; then
        printf '/usr/local/bin'
        return
    fi
    case :$PATH: in *:$HOME/.local/bin:*) mkdir -p "$HOME/.local/bin" && printf '%s' "$HOME/.local/bin" ;; esac
}

# A program of the node that runs, as its pid file says; a pid that another process has by now is none.
running() {
    # Root's are where only root writes, or nobody but root wrote yet.
    pids=$AION_HOME/run
    if [ "$root" = yes ]; then
        [ ! -d "$AION_HOME/service" ] || pids=$AION_HOME/service
        [ -n "$(find "$pids" -prune -user 0 2>/dev/null)" ] || return 1
    fi
    noted=$(cat "$pids/$1.pid" 2>/dev/null) || return 1
    pid=$(printf '%s' "$noted" | sed -n 's/.*"pid":\([0-9]*\).*/\1/p')
    start=$(printf '%s' "$noted" | sed -n 's/.*"start":\([0-9]*\).*/\1/p')
    [ -n "$pid" ] && [ -n "$start" ] || return 1
    # Field 22, counted after the name, which is in brackets and may hold anything; a zombie has ended.
    now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | awk '$1 !~ /[ZX]/ { print $20 }')
    [ "$now" = "$start" ]
}

# A node that runs would write on into what is removed. Whether one runs, aionctl knows best: it asks systemd, too.
stop_node() {
    runs=no
    for program in aion-supervisor aion-node aion-launcher aion-gateway; do ! running "$program" || runs=yes; done
    ! has_units || runs=yes
    if [ ! -x "$bin/aionctl" ]; then
        [ "$runs" = no ] || fail "the node of $AION_HOME runs, and $bin/aionctl, which stops it, is not there" \
            'say with --prefix where it was installed, or stop it by hand'
        return 0
    fi
    step 'Stopping the node'
    "$bin/aionctl" local stop --force --no-service || fail "the node of $AION_HOME cannot be stopped" \
        'stop it, then run this again'
    for program in aion-node aion-launcher aion-gateway; do
        ! running "$program" || fail "$program (pid $pid) still runs" 'stop it, then run this again'
    done
}

# Whether systemd starts the node of this folder.
has_units() {
    units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
    [ "$root" = no ] || units=/etc/systemd/system
    grep -qsxF "Environment=\"AION_HOME=$AION_HOME\"" "$units"/aion-node*.service
}

# Nothing is removed that a set-up did not make.
check_purge() {
    real=$(CDPATH='' cd -- "$AION_HOME" && pwd -P)
    case $real in
        / | "$(CDPATH='' cd -- "$HOME" && pwd -P)") fail "AION_HOME is $real: that is not for AION-OS alone" \
            'remove by hand what is to go' ;;
    esac
    [ "$(head -n 1 "$installed" 2>/dev/null)" = "$mark" ] || fail "no set-up made $AION_HOME: $installed is not there" \
        'check AION_HOME, or remove the folder by hand'
    if [ -e "$AION_HOME/state" ] && [ ! -f "$AION_HOME/config/node.secret" ]; then
        fail "the state in $AION_HOME is not a node's: config/node.secret is not there" \
            'check AION_HOME, or remove the folder by hand'
    fi
}

uninstall() {
    if [ "$purge" = yes ] && [ -d "$AION_HOME" ]; then check_purge; fi
    stop_node
    step 'Removing the programs'
    for folder in /usr/local/bin "$HOME/.local/bin"; do
        if [ "$(readlink "$folder/aionctl" 2>/dev/null)" = "$bin/aionctl" ]; then
            rm -f "$folder/aionctl"
            say "$folder/aionctl"
        fi
    done
    for program in $programs; do rm -f "$bin/$program"; done
    # Another prefix, say /usr/local, was there before.
    [ "$prefix" != "$AION_HOME" ] || rmdir "$bin" 2>/dev/null || true
    say "$bin"
    if [ -f "$share/PACKAGE" ]; then
        rm -rf "$share"
        say "$share"
    fi
    if crontab -l 2>/dev/null | grep '^@reboot' | grep -qF "$bin/aionctl"; then
        say 'the crontab still has a line that starts the node at boot: remove it with crontab -e'
    fi
    if [ "$purge" = no ]; then
        say "the state stays in $AION_HOME; --purge removes it too"
        return
    fi
    [ -d "$AION_HOME" ] || { say "there is no state in $AION_HOME"; return; }
    if [ "$ask" = yes ]; then
        [ -t 0 ] || fail "nobody can be asked whether to remove $AION_HOME" 'say --yes as well'
        printf '   Remove all agents, memory and keys in %s? [y/N] ' "$AION_HOME"
        read -r answer
        case $answer in y | Y | yes) ;; *) say 'kept'; return ;; esac
    fi
    for folder in asking bundles config gateway launcher logs manifests run service share/docs state store; do rm -rf "${AION_HOME:?}/$folder"; done
    rmdir "$AION_HOME/share" 2>/dev/null || true
    rmdir "$AION_HOME" 2>/dev/null || true
    say "$AION_HOME"
    [ "$root" = yes ] || return 0
    for user in aion aion-gateway; do
        ! id -u "$user" >/dev/null 2>&1 || say "the system user $user stays, as files elsewhere may be its own; userdel $user removes it"
    done
}

check_needs() {
    step 'Looking for what is needed'
    [ "$(uname -s)" = Linux ] || fail 'AION-OS runs on Linux: its sandbox is made of Linux parts' \
        'use a Linux machine or a virtual one'
    [ -z "$package" ] || return 0
    [ -f "$here/Cargo.toml" ] && [ -d "$here/node-agent" ] || fail "there is nothing to build in $here" \
        'run install.sh in a copy of the project, or say --from-package FILE|URL'
    command -v cargo >/dev/null 2>&1 || fail 'cargo is not there: Rust builds AION-OS' \
        'install Rust 1.95 or newer from https://rustup.rs, open a new terminal, and run this again'
    version=$(rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    major=${version% *} minor=${version#* }
    if [ -z "$version" ] || [ "$major" -lt 1 ] || { [ "$major" = 1 ] && [ "$minor" -lt 95 ]; }; then
        fail "Rust 1.95 or newer is needed; $(rustc --version 2>/dev/null || echo 'rustc does not run')" 'rustup update stable'
    fi
    command -v cc >/dev/null 2>&1 || fail 'a C compiler (cc) is not there: SQLite and the cryptography are built with it' \
        'Debian, Ubuntu: apt install build-essential · Fedora: dnf install gcc · Arch: pacman -S base-devel'
    say "$(rustc --version), $(cc --version 2>/dev/null | head -n 1)"
}

node='-p aion-daemon -p aion-launcher -p aion-worker -p aion-cli -p aion-gateway -p compiler-ahead'
[ $cluster = no ] || node="$node -p aion-operator --features aion-cli/kubernetes,aion-daemon/kubernetes,aion-gateway/kubernetes"
# A workspace of its own, with the same target folder and profiles (.cargo/config.toml).
compiler='--manifest-path node-agent/compiler/Cargo.toml'
# Cargo's profile: what is made once for many machines is optimised in full (docs/adr/0057), but where the packaging is tried.
built_as=quick
[ "$action" != build ] || built_as=${AION_BUILT_AS:-release}
case $built_as in quick | release) ;; *) fail "AION_BUILT_AS=$built_as is no way to build" 'say quick or release, or leave it out' ;; esac

# How many packages the two calls of cargo compile: those of the first, and in the second those that have
# other features there, or depend on one that has (so that tree is read from its leaves, backwards).
count_packages() {
    # shellcheck disable=SC2086 # a list of arguments
    tree() { cargo tree --locked --edges normal,build --prefix depth --no-dedupe --format ' {p} {f}' $1; }
    { tree "$node"; echo second; tree "$compiler" | sed '1!G;h;$!d'; } | awk '
        $0 == "second" { second = 1 }
        NF < 2 { next }
        { depth = $1; sub(/^[0-9]+ +/, "") }
        !second { if (!(($1, $2) in first)) total++; first[$1, $2]; known[$0]; next }
        !($0 in known) || changed[depth + 1] { changed[depth] = 1; if (!($0 in again)) total++; again[$0] }
        { changed[depth + 1] = 0 }
        END { print total + 0 }'
}

# As a word of a shell, whatever is in it.
quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

# The wrapper of rustc that cargo is set to, by a variable or by one of its files. What reads them is not stable yet.
find_wrapper() {
    theirs=${RUSTC_WRAPPER-}
    if [ -z "${RUSTC_WRAPPER+set}" ]; then
        setting='config get -Z unstable-options build.rustc-wrapper'
        # shellcheck disable=SC2086 # a list of arguments
        theirs=$(cd "$here" && RUSTC_BOOTSTRAP=1 cargo $setting --format json-value 2>"$target/setting.log") ||
            grep -qF 'is not set' "$target/setting.log" ||
            fail "cargo does not say which wrapper of rustc it is set to: $(cat "$target/setting.log")" \
                'set RUSTC_WRAPPER to yours, or to nothing'
        theirs=$(printf '%s' "$theirs" | sed 's/^"//; s/"$//; s/\\\(["\\]\)/\1/g')
        case $theirs in
            /*) ;;
            */*)
                # From the folder that has the file's .cargo/.
                # shellcheck disable=SC2086 # a list of arguments
                file=$(cd "$here" && RUSTC_BOOTSTRAP=1 cargo $setting --show-origin 2>/dev/null | sed -n 's,.* # /,/,p')
                theirs=${file:+$(dirname -- "$(dirname -- "$file")")/}$theirs
                ;;
        esac
    fi
    case $theirs in */*) theirs=$(absolute "$theirs") ;; esac
    [ "$theirs" != "$target/placeless/rustc-wrapper" ] || theirs=''
    [ -z "$theirs" ] || command -v "$theirs" >/dev/null 2>&1 || fail "RUSTC_WRAPPER, or cargo's build.rustc-wrapper, names $theirs, which is not a program here" \
        'name one that is, or set RUSTC_WRAPPER to nothing'
}

# Where it is built and where crates are kept is not part of a program: the same sources give the same one. Flags
# would do it, too, and have everything built anew in another folder.
forget_places() {
    crates=${CARGO_HOME:-$HOME/.cargo}
    rm -rf "$target/placeless"
    mkdir "$target/placeless"
    # A wrapper of the user's own, such as sccache, is called by this one; an empty RUSTC_WRAPPER is none, as cargo has it.
    find_wrapper
    called=${theirs:+$(quoted "$theirs") }
    # The compiler's workspace uses crates outside its folder, and for those cargo hashes where they lie into all
    # symbols (`-C metadata`): they go by names and versions. The last mapping that fits counts, and target/ may lie in here.
    cat > "$target/placeless/rustc-wrapper" <<WRAPPER
#!/bin/sh
case \${CARGO_MANIFEST_DIR:-} in
    $(quoted "$crates")/*) ;;
    $(quoted "$here")/*)
        for argument do
            shift
            case \$argument in metadata=*) argument=metadata=\$CARGO_PKG_NAME-\$CARGO_PKG_VERSION ;; esac
            set -- "\$@" "\$argument"
        done
        ;;
esac
exec $called"\$@" $(quoted "--remap-path-prefix=$here=/aion") $(quoted "--remap-path-prefix=$target=/target") $(quoted "--remap-path-prefix=$crates=/cargo")
WRAPPER
    for compiler_of_c in cc x86_64-linux-gnu-gcc aarch64-linux-gnu-gcc; do
        found=$(command -v "$compiler_of_c") || continue
        printf '#!/bin/sh\nexec %s "$@" %s %s\n' "$(quoted "$found")" "$(quoted "-ffile-prefix-map=$target=/target")" \
            "$(quoted "-ffile-prefix-map=$crates=/cargo")" > "$target/placeless/$compiler_of_c"
    done
    chmod 755 "$target/placeless"/*
}

# Has cargo build with what forget_places made.
build_placeless() {
    export PATH="$target/placeless:$PATH" RUSTC_WRAPPER="$target/placeless/rustc-wrapper"
}

# Cargo tells of each package that it compiles; how many there are is known before.
build() {
    step 'Building (some minutes the first time)'
    target=${CARGO_TARGET_DIR:-$here/target}
    case $target in /*) ;; *) target=$PWD/$target ;; esac
    mkdir -p "$target"
    log=$target/install.log
    : > "$log"
    # shellcheck disable=SC2086 # a list of arguments
    (cd "$here" && cargo fetch --locked && cargo fetch --locked $compiler) >>"$log" 2>&1 || { tail -n 20 "$log" >&2; fail 'the packages cannot be fetched' \
        "look at the connection to the crate registry; the log is $log"; }
    total=$(cd "$here" && count_packages 2>>"$log")
    forget_places
    begun=$(date +%s)
    {
        (
            cd "$here" && export CARGO_TERM_PROGRESS_WHEN=never CARGO_TERM_COLOR=never
            # A crate that asks git for its version is of no repository, wherever the registry's folder lies.
            export GIT_CEILING_DIRECTORIES="${CARGO_HOME:-$HOME/.cargo}"
            build_placeless
            # shellcheck disable=SC2086 # a list of arguments
            cargo build --profile $built_as --locked $node 2>&1 && cargo build --profile $built_as --locked $compiler 2>&1
        ) && echo 'build: done' || echo 'build: failed'
    } | show_build "$total" "$begun"
    case $(tail -n 1 "$log") in
        'build: done') ;;
        *) tail -n 40 "$log" >&2; fail 'the build failed: its last lines are above' "the whole log is $log" ;;
    esac
    say "built in $(elapsed "$begun")"
}

show_build() {
    count=0 shown=0 of=" of about $1"
    [ "$1" -gt 0 ] || of=''
    while IFS= read -r line; do
        printf '%s\n' "$line" 2>/dev/null >> "$log" || fail "$log cannot be written" 'free space on that disk, then run this again'
        case $line in *Compiling\ *) ;; *) continue ;; esac
        count=$((count + 1))
        if [ "$terminal" = yes ]; then
            name=${line#*Compiling }
            printf '\r\033[2K   %s%s packages, %s: %.30s' "$count" "$of" "$(elapsed "$2")" "${name%% *}"
        elif [ $((count - shown)) -ge 50 ]; then
            shown=$count
            say "$count$of packages, $(elapsed "$2")"
        fi
    done
    [ "$terminal" = no ] || printf '\r\033[2K'
}

elapsed() {
    seconds=$(($(date +%s) - $1))
    if [ "$seconds" -lt 60 ]; then printf '%s s' "$seconds"; else printf '%s min %s s' $((seconds / 60)) $((seconds % 60)); fi
}

# The only hosts that are believed without TLS are this machine's.
check_url() {
    host=${package#*://}
    host=${host%%[/?#]*}
    case $package in
        https://*) ;;
        http://*)
            here_only=no
            case $host in
                localhost | localhost:* | '[::1]' | '[::1]:'*) here_only=yes ;;
                127.*) case $host in *[!0-9.:]*) ;; *) here_only=yes ;; esac ;;
            esac
            case $host in *@*) here_only=no ;; esac
            [ "$here_only" = yes ] || fail "$package would come without TLS from another machine" 'say https://'
            ;;
        *) fail "$package: packages come by https" 'say https://, or fetch it and name the file' ;;
    esac
}

# From $1 into the file $2, $3 bytes at most: the shell sees to that, since not every server says how long its answer is.
fetch() {
    command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 || fail \
        'neither curl nor wget is here to fetch the package' "fetch $1 and $1.sigstore.json by other means, and name the file"
    (
        trap '' XFSZ
        ulimit -f $(($3 / 512)) 2>/dev/null || true
        if command -v curl >/dev/null 2>&1; then
            curl --fail --silent --show-error --location --proto '=https,http' --proto-redir '=https' --retry 2 \
                --connect-timeout 20 --speed-limit 1 --speed-time 60 --max-filesize "$3" --output "$2" "$1"
        else
            # BusyBox's has neither of the two, and no --version.
            bounds='--timeout=60 --tries=3'
            wget --version >/dev/null 2>&1 || bounds=''
            # shellcheck disable=SC2086 # a list of arguments
            wget -q $bounds -O "$2" "$1"
        fi
    ) && return
    [ ! -f "$2" ] || [ "$(wc -c < "$2")" -lt "$3" ] || fail "$1 is longer than any is: $3 bytes were taken" 'check the address'
    return 1
}

# Copied first, so that what is unpacked is what was verified.
take_package() {
    step 'Taking the package'
    work=$(mktemp -d "${TMPDIR:-/tmp}/aion-package.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    archive=$work/package signature=$work/signature
    unsigned="its signature $package.sigstore.json is not there: an unsigned package is not taken"
    case $package in
        *://*)
            check_url
            fetch "$package" "$archive" 1073741824 || fail "$package cannot be fetched" 'check the address and the connection'
            fetch "$package.sigstore.json" "$signature" 262144 || fail "$unsigned" 'fetch one that is signed'
            ;;
        *)
            [ -f "$package" ] || fail "$package is not a file" 'name a package that make package made, or its https address'
            cp "$package" "$archive"
            cp "$package.sigstore.json" "$signature" 2>/dev/null || fail "$unsigned" 'fetch it from where the package came'
            ;;
    esac
    verify_package
    unpack_package
}

# A Sigstore bundle of `cosign sign-blob`: ECDSA P-256 over the bytes of the archive.
verify_package() {
    if [ -z "$key" ]; then
        [ -n "$pinned_key" ] || fail 'this install.sh knows no key that packages are signed with' \
            'say --key FILE, or take the install.sh that was published with the package'
        key=$work/pinned.pub
        { echo '-----BEGIN PUBLIC KEY-----'; printf '%s\n' "$pinned_key" | fold -w 64; echo '-----END PUBLIC KEY-----'; } > "$key"
    fi
    [ -f "$key" ] || fail "the key $key is not a file" 'name the public key, in PEM'
    [ "$(wc -c < "$signature")" -le 262144 ] || fail 'the signature is longer than any is' 'take the package anew'
    if command -v openssl >/dev/null 2>&1; then
        said=$(tr -d ' \n\r\t' < "$signature")
        said=${said#*\"messageSignature\":}
        of=${said#*\"digest\":\"} of=${of%%\"*} by=${said#*\"signature\":\"} by=${by%%\"*}
        printf '%s' "$by" | openssl base64 -d -A > "$work/signature.der" 2>/dev/null || true
        if ! openssl dgst -sha256 -verify "$key" -signature "$work/signature.der" "$archive" >/dev/null 2>&1; then
            is=$(openssl dgst -sha256 -binary "$archive" | openssl base64 -A)
            [ "$is" = "$of" ] || fail 'the package is not the one that was signed: it was cut short or altered' 'fetch it anew'
            fail 'the package is not signed with this key' 'take the key, or the install.sh, from where AION-OS is published'
        fi
    elif command -v cosign >/dev/null 2>&1; then
        cosign verify-blob --key "$key" --bundle "$signature" --insecure-ignore-tlog=true "$archive" >"$work/cosign" 2>&1 \
            || { cat "$work/cosign" >&2; fail 'the package is not the one that was signed with this key' \
            'fetch it anew, and the key from where AION-OS is published'; }
    else
        fail 'neither openssl nor cosign is here to verify the signature of the package' \
            'Debian, Ubuntu: apt install openssl · Fedora: dnf install openssl · Arch: pacman -S openssl'
    fi
    say 'its signature is good'
}

unpack_package() {
    mkdir "$work/unpacked"
    tar -xzf "$archive" -C "$work/unpacked" --strip-components=1 || fail 'the package cannot be unpacked' \
        'see whether there is room in the temporary folder (TMPDIR)'
    shipped=$work/unpacked
    about() { sed -n "s/^$1: //p" "$shipped/PACKAGE" 2>/dev/null; }
    [ "$(about name)" = aion-os ] || fail 'this is not a package of AION-OS' 'name one that make package made'
    case $(uname -m) in x86_64) arch=amd64 ;; aarch64 | arm64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
    [ "$(about arch)" = "$arch" ] || fail "the package is for $(about arch), and this machine is $arch" \
        "take the one whose name ends in linux-$arch.tar.gz"
    say "AION-OS $(about version) for $arch"
}

# Agents, documents and policies stay: bundles are built from them, and the librarian reads there.
check_share() {
    if [ -e "$share" ] && [ ! -f "$share/PACKAGE" ]; then
        fail "$share is there, and no set-up made it" 'move it away, or say --prefix FOLDER'
    fi
}

keep_shipped() {
    mkdir -p "$(dirname -- "$share")"
    rm -rf "$share.new"
    cp -R "$shipped" "$share.new"
    rm -rf "$share.new/bin" "$share"
    mv "$share.new" "$share"
    shipped=$share
    say "$share holds its agents and documents"
}

# What an earlier version had where the daemon's user cannot get at it.
move_earlier() {
    [ -n "$earlier" ] || return 0
    step "Moving the node's state from $earlier to $AION_HOME"
    old=$(sed -n 2p "$earlier/config/installed")/bin/aionctl
    [ ! -x "$old" ] || AION_HOME=$earlier "$old" local stop --force || fail "the node of $earlier cannot be stopped" \
        'stop it, then run this again'
    mkdir -p "$(dirname -- "$AION_HOME")"
    # It may be another disk: what is there under the new name is whole.
    rm -rf "$AION_HOME.new"
    cp -a "$earlier" "$AION_HOME.new" || fail "$earlier cannot be copied to $AION_HOME.new" 'free space on that disk, then run this again'
    mv "$AION_HOME.new" "$AION_HOME"
    rm -rf "$earlier"
    # What came with its package lies beside it, and comes anew.
    [ ! -f "$earlier-share/PACKAGE" ] || rm -rf "$earlier-share"
    say "$earlier is not there any more; AION_HOME need not be set for $AION_HOME"
}

# Whom daemon and gateway run as: they read what models, registries, tools and programs write, and are to own nothing
# else, the gateway nothing of the daemon's either.
make_users() {
    [ "$root" = yes ] || return 0
    shell=/usr/sbin/nologin
    [ -x "$shell" ] || shell=/sbin/nologin
    for user in aion aion-gateway; do
        id -u "$user" >/dev/null 2>&1 || make_user || say "the user $user could not be made"
    done
}

make_user() {
    if command -v useradd >/dev/null 2>&1; then
        useradd --system --user-group --no-create-home --home-dir /var/lib/aion --shell "$shell" "$user"
    elif command -v systemd-sysusers >/dev/null 2>&1; then
        printf 'u %s - "AION-OS" /var/lib/aion %s\n' "$user" "$shell" | systemd-sysusers -
    elif command -v adduser >/dev/null 2>&1; then
        addgroup -S "$user" && adduser -S -D -H -h /var/lib/aion -s "$shell" -G "$user" "$user"
    fi
}

install_programs() {
    step "Installing into $bin"
    from=${package:+$shipped/bin}
    from=${from:-$target/${CARGO_BUILD_TARGET:-}/$built_as}
    [ "$action" != local ] || [ -z "$package" ] || check_share
    if [ ! -d "$bin" ]; then
        mkdir -p "$bin"
        # Whatever the umask: the daemon's user runs what is here.
        [ "$root" = no ] || chmod 755 "$bin"
    fi
    for program in $programs; do
        [ -f "$from/$program" ] || fail "$from/$program is not there" 'take the package anew'
        # Beside the old one and over it in one move: a program that runs keeps its file.
        cp "$from/$program" "$bin/.$program.new"
        chmod 755 "$bin/.$program.new"
        mv -f "$bin/.$program.new" "$bin/$program"
    done
    say "$programs"
    [ "$action" = local ] || return 0
    [ -z "$package" ] || keep_shipped
    mkdir -p "$AION_HOME/config"
    # Root's is divided by aionctl: what the daemon may write, what it may read, and the rest.
    if [ "$root" = yes ]; then chmod 711 "$AION_HOME"; else chmod 700 "$AION_HOME" "$AION_HOME/config"; fi
    printf '%s\n' "$mark" "$prefix" > "$installed"
    folder=$(link_folder)
    if [ -n "$folder" ]; then
        if [ ! -e "$folder/aionctl" ] || [ -L "$folder/aionctl" ]; then
            ln -sfn "$bin/aionctl" "$folder/aionctl"
            say "$folder/aionctl leads there"
        fi
    fi
}

# The folder that the librarian reads is one that somebody agreed to.
choose_docs() {
    asked=$docs
    docs=${docs:-$shipped/docs}
    [ -d "$docs" ] || fail "$docs is not a folder" 'say --docs FOLDER'
    docs=$(CDPATH='' cd -- "$docs" && pwd)
    if [ "$root" = yes ] && [ -z "$asked" ]; then
        # This project may lie where the daemon's user cannot read it.
        mkdir -p "$AION_HOME/share"
        rm -rf "$AION_HOME/share/docs"
        cp -R "$docs" "$AION_HOME/share/docs"
        chmod u=rwx,go=rx "$AION_HOME/share"
        chmod -R u=rwX,go=rX "$AION_HOME/share/docs"
        docs=$AION_HOME/share/docs
    fi
    if [ -z "$asked" ] && [ "$ask" = yes ] && [ -t 0 ] && [ "$terminal" = yes ]; then
        printf '   The librarian may read this folder and nothing else. Return takes it, or type another:\n   [%s] ' "$docs"
        read -r answer
        [ -z "$answer" ] || docs=$answer
        [ -d "$docs" ] || fail "$docs is not a folder" 'run this again and name a folder that is there'
    fi
}

start_node() {
    step 'Starting the node'
    # A node of an older build makes way for the new one.
    "$aionctl" local stop >/dev/null
    # shellcheck disable=SC2086 # an option each, or none
    "$aionctl" local start $service $gateway
}

trust_shipped() {
    step 'Signing the shipped bundles with a key of this machine'
    keys=$AION_HOME/config/keys
    mkdir -p "$keys"
    chmod 700 "$keys"
    [ -f "$keys/machine.key" ] || "$aionctl" bundle keygen --no-password "$keys/machine" >/dev/null
    digests=''
    for recipe in "$shipped"/agents/*/bundle.yaml; do
        folder=$(dirname -- "$recipe")
        digest=$("$aionctl" bundle build "$folder" --quiet)
        grep -q "$digest" "$folder/agent.yaml" || fail "the bundle in $folder is not the one that its agent.yaml names ($digest)" \
            'the folder was changed: take it fresh, or sign and trust your own bundle (docs/trust.md)'
        "$aionctl" bundle verify "$digest" --key "$keys/machine.pub" >/dev/null 2>&1 \
            || "$aionctl" bundle sign "$digest" --key "$keys/machine.key" >/dev/null
        digests="$digests
        - \"$digest\""
        say "$(basename -- "$folder") $digest"
    done
    {
        printf '%s\n' '# Written by install.sh: this machine trusts what it signed itself, by digest, and agents written inline.' \
            'apiVersion: aion.dev/v1alpha1' 'kind: TrustPolicy' 'metadata: {name: local}' 'spec:' '  inline: allow' '  keys:' \
            '    - name: machine' '      purpose: machine' '      publicKey: |'
        sed 's/^/        /' "$keys/machine.pub"
        printf '      digests:%s\n' "$digests"
    } > "$AION_HOME/config/trust-local.yaml"
}

apply_shipped() {
    step 'Applying the shipped agents'
    "$aionctl" mount add docs "$docs" >/dev/null
    say "mount docs is $docs; to change it: aionctl mount add docs FOLDER"
    "$aionctl" apply -f "$AION_HOME/config/trust-local.yaml" -f "$shipped/policies/standalone.yaml"
    "$aionctl" apply --wait 120 -f "$shipped/agents/librarian" -f "$shipped/agents/analyst/agent.yaml"
    "$aionctl" apply -f "$shipped/agents/jarvis"
}

next_steps() {
    step 'Ready'
    call=aionctl
    found=$(command -v aionctl 2>/dev/null || true)
    if [ -z "$found" ] || [ "$(readlink -f "$found")" != "$(readlink -f "$bin/aionctl")" ]; then
        call=$bin/aionctl
        line="export PATH=\"$bin:\$PATH\"" profile=.profile
        case ${SHELL:-} in
            */zsh) profile=.zshrc ;;
            */bash) profile=.bashrc ;;
            */fish) profile=.config/fish/config.fish line="fish_add_path $bin" ;;
        esac
        say "aionctl is not on your PATH yet. Add this line to $HOME/$profile and open a new terminal:"
        say "  $line"
        say ''
    fi
    say "$call get agents"
    say "$call ask librarian \"How do I map a mount?\""
    say "$call run analyst --file $shipped/agents/analyst/examples/orders.csv"
    say "$call why librarian"
    [ -n "$gateway" ] || say "$call local status                # also: where programs ask, by REST or OpenAI's API"
    say "$call local stop"
}

main() {
    begun_all=$(date +%s)
    case $action in
        uninstall)
            uninstall
            return
            ;;
        build)
            case $built in /*) bin=$built ;; *) bin=$PWD/$built ;; esac
            check_needs
            build
            install_programs
            return
            ;;
    esac
    shipped=$here
    aionctl=$bin/aionctl
    check_needs
    if [ -n "$package" ]; then take_package; else build; fi
    move_earlier
    install_programs
    make_users
    if [ "$start" = no ]; then
        say "not started: $bin/aionctl local start"
        return
    fi
    choose_docs
    start_node
    trust_shipped
    apply_shipped
    next_steps
    printf '\n   done in %s\n' "$(elapsed "$begun_all")"
}

# The last line: a script that came through a pipe and was cut off has done nothing.
main
