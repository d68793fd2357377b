<#
.SYNOPSIS
Installs tcp-keepalive-exporter and runs it from the start of Windows on, as Local Service.

.DESCRIPTION
Installs the exporter into a virtual environment under Program Files, and registers a scheduled task
that starts it with Windows and restarts it if it ends. A second run updates both.

.PARAMETER Package
What pip installs: a wheel, a directory, or a package name.

.PARAMETER Python
A python.exe, 3.11 or newer, installed for all users.

.PARAMETER Arguments
Flags of the exporter, such as '--config.file="C:\ProgramData\tcp-keepalive-exporter\config.yml"'.

.PARAMETER Uninstall
Removes the task and the program. Keeps the log and other files in its directory.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [string] $Package = 'tcp-keepalive-exporter',
    [string] $Python = 'python.exe',
    [string] $Arguments = '',
    [switch] $Uninstall
)
$ErrorActionPreference = 'Stop'

$Name = 'tcp-keepalive-exporter'
$Directory = "$env:ProgramFiles\$Name"
$Program = "$Directory\Scripts\$Name.exe"
$Data = "$env:ProgramData\$Name"
$Log = "$Data\$Name.log"

function Invoke-Checked([string] $Command, [string[]] $Words) {
    & $Command @Words
    if ($LASTEXITCODE -ne 0) {
        throw "$Command $Words failed with exit code $LASTEXITCODE"
    }
}

# A running program cannot be replaced.
Get-ScheduledTask -TaskName $Name -ErrorAction SilentlyContinue | Stop-ScheduledTask
Get-Process -Name $Name -ErrorAction SilentlyContinue | Stop-Process -Force

if ($Uninstall) {
    Get-ScheduledTask -TaskName $Name -ErrorAction SilentlyContinue |
        Unregister-ScheduledTask -Confirm:$false
    Remove-Item -Path $Directory -Recurse -Force -ErrorAction SilentlyContinue
    Write-Output "$Name has been removed. $Data has been kept."
    return
}

$Base = & $Python -c 'import sys; print(sys.base_prefix)'
if ($LASTEXITCODE -ne 0 -or -not $Base) {
    throw "$Python cannot be run; give -Python a python.exe, 3.11 or newer"
}
if ($Base -like "$env:SystemDrive\Users\*") {
    throw "$Base belongs to one user, so Local Service cannot run it; install Python for all users"
}
Invoke-Checked $Python @('-m', 'venv', $Directory)
Invoke-Checked "$Directory\Scripts\python.exe" @('-m', 'pip', 'install', '--upgrade', $Package)

# S-1-5-19 is Local Service in every language. It can write its log there, and nowhere else.
New-Item -Path $Data -ItemType Directory -Force | Out-Null
Invoke-Checked 'icacls.exe' @($Data, '/grant', '*S-1-5-19:(OI)(CI)M', '/quiet')

# cmd redirects the output: a task discards it otherwise.
$Line = "/d /s /c `"`"$Program`" $Arguments 2>> `"$Log`"`""
$Task = @{
    TaskName    = $Name
    Description = 'Exports TCP keepalive settings and connections to Prometheus, on port 10240.'
    Action      = New-ScheduledTaskAction -Execute "$env:SystemRoot\System32\cmd.exe" -Argument $Line
    Trigger     = New-ScheduledTaskTrigger -AtStartup
    Principal   = New-ScheduledTaskPrincipal -UserId 'LOCALSERVICE' -LogonType ServiceAccount
    # No time limit: the exporter runs permanently. A task that ends with an error is restarted.
    Settings    = New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) `
        -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
        -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
}
Register-ScheduledTask @Task -Force | Out-Null
Start-ScheduledTask -TaskName $Name
Write-Output "$Name is running. Its log is $Log"
