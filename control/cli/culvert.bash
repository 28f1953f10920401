# SPDX-License-Identifier: BSD-3-Clause
# bash completion for culvert

_culvert_ports() {
  local file=$1
  [[ -r $file ]] || return
  awk -F'"' '/^\[\[/ { port = /^\[\[port\]\]/ } port && /^[ \t]*name[ \t]*=/ { print $2 }' "$file"
}

_culvert() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local commands="up down hold check reload exec ip replay show policy events trace stress --help --version"
  local views="sa policy ports routes drops fragments balance workers version"
  local command="" view="" config="" word i
  COMPREPLY=()

  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
      -c | --config) config=${COMP_WORDS[i + 1]} ;;
    esac
    if [[ -z $command && " $commands " == *" $word "* && $word != -* ]]; then
      command=$word
      # What follows the options of these is another program's command line.
    elif [[ $command == show && -z $view && " $views " == *" $word "* ]]; then
      view=$word
    elif [[ $command == stress && -z $view && $word == sa ]]; then
      view=$word
    elif [[ $command == policy && -z $view && " add delete " == *" $word "* ]]; then
      view=$word
    elif [[ $command == exec && $word == -- ]]; then
      COMPREPLY=($(compgen -c -- "$current"))
      return
    fi
  done

  case $previous in
    --direction)
      COMPREPLY=($(compgen -W "in out" -- "$current"))
      return
      ;;
    --action)
      COMPREPLY=($(compgen -W "protect bypass discard" -- "$current"))
      return
      ;;
    --template-mode)
      COMPREPLY=($(compgen -W "tunnel transport" -- "$current"))
      return
      ;;
    --instance)
      COMPREPLY=($(compgen -W "$(ls "${CULVERT_RUNTIME_DIR:-/run/culvert}" 2>/dev/null)" -- "$current"))
      return
      ;;
    -c | --config | --xfrm | --punt | --pcap | --svg)
      compopt -o filenames
      COMPREPLY=($(compgen -f -- "$current"))
      return
      ;;
    --in | --out)
      compopt -o nospace
      COMPREPLY=($(compgen -S = -W "$(_culvert_ports "$config")" -- "$current"))
      return
      ;;
    =)
      compopt -o filenames
      COMPREPLY=($(compgen -f -- "$current"))
      return
      ;;
    --burst | --seed | --spi | --src | --dst | --sport | --dport | --count | --seconds | --rate | --churn)
      return
      ;;
  esac

  if [[ $previous == --transform ]]; then
    COMPREPLY=($(compgen -W "aes128-gcm aes256-gcm chacha20-poly1305" -- "$current"))
    return
  fi
  if [[ $previous == --proto ]]; then
    COMPREPLY=($(compgen -W "icmp icmpv6 tcp udp esp gre" -- "$current"))
    return
  fi
  local options="--help"
  case $command in
    "") options=$commands ;;
    up) options="--config --instance --detach --foreground --help" ;;
    hold | check) options="--config --instance --help" ;;
    reload) options="--config --check --json --instance --help" ;;
    down) options="--instance --help" ;;
    exec) options="--instance --help --" ;;
    ip) options="--instance --help xfrm" ;;
    replay) options="--config --xfrm --in --out --punt --burst --seed --json --help" ;;
    policy)
      options="--direction --src --dst --protocol --src-ports --dst-ports --icmp-type --icmp-code --json --instance --help"
      case $view in
        "") options="add delete --help" ;;
        add) options+=" --action --priority --template-src --template-dst --template-mode --template-reqid --template-optional --spread" ;;
        delete) options+=" --index" ;;
      esac
      ;;
    trace) options="--src --dst --proto --sport --dport --spi --both --count --seconds --pcap --json --instance --help" ;;
    stress)
      options="sa --help"
      [[ $view == sa ]] && options="--count --rate --churn --seconds --transform --json --svg --instance --help"
      ;;
    events) options="--json --once --instance --help" ;;
    show)
      case $view in
        "") options="$views --help" ;;
        sa) options="--spi --brief --json --instance --help" ;;
        drops) options="--all --json --instance --help" ;;
        *) options="--json --instance --help" ;;
      esac
      ;;
  esac
  COMPREPLY=($(compgen -W "$options" -- "$current"))
}

complete -F _culvert culvert
