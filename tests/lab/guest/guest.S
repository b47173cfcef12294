# SPDX-License-Identifier: Apache-2.0
# A guest without an operating system, which keeps a diary on its own disk: a lost, late, restarted or doubled guest is
# read off that disk, without Nova's or libvirt's word. Where what lies on it is said in diary.py, which has the numbers
# of the sectors; disk.py builds this.
#
# Each boot is an incarnation. It takes the next number, and once a second it
#   1. looks whether it is the newest still: if not, somebody has booted from its disk while it ran, a conflict;
#   2. writes its diary: the beat;
#   3. does as it is told by the command sector, into which the machine writes one letter.
# It tells the serial port what it does: that is the instance's console.
.code16

.set PAGE, 0x9000             # where sectors are read to, and written from
.set SERIAL, 0x3f8
.set PM_STATUS, 0x600         # ACPI's registers, as QEMU's firmware places them
.set PM_ENABLE, 0x602
.set PM_CONTROL, 0x604
.set POWER_BUTTON, 0x100
.set PVPANIC, 0x505

.globl _start
_start:
    ljmp $0, $1f
1:  xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $_start, %sp
    mov %dl, drive
    cld
    # The firmware has read the first sector alone.
    movw $3, packet_count
    movw $_start + 512, packet_buffer
    mov $1, %eax
    call read
    jc halt
    movw $1, packet_count
    movw $PAGE, packet_buffer
    jmp begin

halt:
    cli
    hlt
    jmp halt

# Read or write the sector EAX; the carry flag tells of a failure.
read:
    movl %eax, packet_sector
    mov $0x42, %ah
    jmp 1f
write:
    movl %eax, packet_sector
    mov $0x4300, %ax
1:  mov $packet, %si
    mov drive, %dl
    int $0x13
    ret

packet:        .byte 16, 0
packet_count:  .word 0
packet_buffer: .word 0, 0
packet_sector: .long 0, 0
drive:         .byte 0

# Glance refuses a boot sector without a partition ("GPT MBR has no partitions defined"): one of type Linux.
.org 446
    .byte 0x80, 0, 2, 0, 0x83, 0, 0, 0
    .long 1, 2047
.org 510
    .word 0xaa55

begin:
    mov $hello, %si
    call print
    mov $NEWEST, %eax
    call read
    jc halt
    movl PAGE, %eax
    incl %eax
    movl %eax, number
    movl %eax, PAGE
    # Two that boot at the very same moment take one number, but not one time stamp.
    rdtsc
    movl %eax, nonce
    movl %eax, PAGE + 4
    mov $NEWEST, %eax
    call write
    jc halt
    call now
    movl %eax, first_time
    movl %edx, first_date
    # The power button tells only whom it is enabled for.
    mov $PM_ENABLE, %dx
    mov $POWER_BUTTON, %ax
    outw %ax, %dx
    # Woken once a second by the clock (IRQ 8, by way of IRQ 2) rather than 18 times by the timer (IRQ 0): an idle guest
    # costs a tenth of what it would.
    cli
    inb $0x21, %al
    or $0x01, %al
    and $0xfb, %al
    outb %al, $0x21
    inb $0xa1, %al
    and $0xfe, %al
    outb %al, $0xa1
    mov $0x0b, %al
    outb %al, $0x70
    inb $0x71, %al
    or $0x10, %al
    mov %al, %ah
    mov $0x0b, %al
    outb %al, $0x70
    mov %ah, %al
    outb %al, $0x71
    mov $0x0c, %al
    outb %al, $0x70
    inb $0x71, %al

beat:
    mov $NEWEST, %eax
    call read
    jc failed
    movl PAGE, %eax
    movl PAGE + 4, %ebx
    cmpl %eax, number
    jne 1f
    cmpl %ebx, nonce
    je 2f
1:  incl conflicts
2:  incl beats
    call now
    movl %eax, last_time
    movl %edx, last_date
    mov $diary, %si
    mov $PAGE, %di
    mov $diary_end - diary, %cx
    rep movsb
    movl number, %eax
    andl $SLOTS - 1, %eax
    addl $DIARIES, %eax
    call write
    jc failed
    mov $dot, %si
    call print
    mov $COMMAND, %eax
    call read
    jc failed
    mov PAGE, %cl
    test %cl, %cl
    jz wait
    # It is taken back before it is obeyed: the next incarnation would obey it again.
    push %cx
    movb $0, PAGE
    mov $COMMAND, %eax
    call write
    pop %cx
    jc failed
    mov $commands, %di
1:  cmpb $0, (%di)
    je wait
    cmpb (%di), %cl
    je 2f
    add $3, %di
    jmp 1b
2:  jmp *1(%di)

wait:
    sti
    hlt
    mov $PM_STATUS, %dx
    inw %dx, %ax
    test $POWER_BUTTON, %ax
    jz beat
    jmp power_off

failed:
    mov $error, %si
    call print
    jmp wait

commands:
    .byte 'S'
    .word power_off
    .byte 'R'
    .word reset
    .byte 'T'
    .word triple_fault
    .byte 'H'
    .word hang
    .byte 'P'
    .word panic
    .byte 'W'
    .word watchdog
    .byte 0

power_off:
    mov $off_text, %si
    call print
    mov $PM_CONTROL, %dx
    mov $0x2000, %ax
    outw %ax, %dx
    jmp halt

reset:
    mov $reset_text, %si
    call print
    mov $0xcf9, %dx
    mov $6, %al
    outb %al, %dx
    jmp halt

triple_fault:
    mov $reset_text, %si
    call print
    lidt no_vectors
    int $3

hang:
    mov $hang_text, %si
    call print
    jmp halt

panic:
    mov $panic_text, %si
    call print
    mov $PVPANIC, %dx
    mov $1, %al
    outb %al, %dx
    jmp halt

# Arm the watchdog (i6300esb, 2 s) and feed it no more: a guest that hangs, but has a watchdog.
watchdog:
    mov $0xb102, %ax           # find it on the PCI bus
    mov $0x25ab, %cx
    mov $0x8086, %dx
    xor %si, %si
    int $0x1a
    jc failed
    mov $0xb10c, %ax           # configuration: a clock of 1 MHz, reboot rather than interrupt
    mov $0x60, %di
    mov $0x0007, %cx
    int $0x1a
    mov $0xb10b, %ax           # lock register: enabled
    mov $0x68, %di
    mov $0x02, %cl
    int $0x1a
    jmp hang

# The time of day in EAX (hhmmss), the date in EDX (yyyymmdd), both as BCD and UTC: as QEMU's clock has them.
now:
    call date
1:  movl %edx, %ebx
    mov $2, %ah
    int $0x1a
    movzx %ch, %eax
    shl $8, %eax
    mov %cl, %al
    shl $8, %eax
    mov %dh, %al
    push %eax
    call date
    pop %eax
    # It was midnight in between.
    cmpl %edx, %ebx
    jne 1b
    ret

date:
    mov $4, %ah
    int $0x1a
    movzx %cx, %eax
    shl $16, %eax
    mov %dx, %ax
    movl %eax, %edx
    ret

# Print the text at SI.
print:
    lodsb
    test %al, %al
    jz 1f
    mov $SERIAL, %dx
    outb %al, %dx
    jmp print
1:  ret

hello:      .asciz "boot\r\n"
dot:        .asciz "."
error:      .asciz "disk or device error\r\n"
off_text:   .asciz "power off\r\n"
reset_text: .asciz "reset\r\n"
hang_text:  .asciz "hang\r\n"
panic_text: .asciz "panic\r\n"

no_vectors: .word 0
            .long 0

diary:      .ascii "BEAT"
number:     .long 0
nonce:      .long 0
beats:      .long 0
conflicts:  .long 0
first_date: .long 0
first_time: .long 0
last_date:  .long 0
last_time:  .long 0
diary_end:

.org 2048
