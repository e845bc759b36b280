<#
.SYNOPSIS
Starts Remote Drive on Windows, with the store that MINIO_* name.

.DESCRIPTION
For Windows PowerShell 5.1 and newer, and Python 3.11 and newer. Makes .venv, installs the pinned
requirements, prepares the database and the bucket, and serves. Ctrl-C ends it.
scripts\start-minio.ps1 starts a store and prints the MINIO_* to set.

.PARAMETER Port
The port of the service on 127.0.0.1.

.PARAMETER Data
The folder of the database and of the file env, which holds secrets: it is made readable by you
alone. DATA_DIR, or var in the checkout, when not given.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File scripts\run.ps1
#>
[CmdletBinding()]
param(
    [ValidateRange(1, 65535)]
    [int]$Port = 8000,

    [string]$Data = $env:DATA_DIR
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
# Newer PowerShells may make an error of an exit status; here Invoke-Checked looks at it.
$PSNativeCommandUseErrorActionPreference = $false

$Root = Split-Path -Parent $PSScriptRoot
$Python = "$Root\.venv\Scripts\python.exe"
$User = 'alice'
# What another terminal must know to speak to the same database and store, with the same keys.
$Settings = @(
    'SECRET_KEY', 'DATABASE_URL', 'JWT_SECRET', 'JWT_SECRET_OLD', 'JWT_ISSUER', 'JWT_AUDIENCE',
    'JWT_CREATE_USERS',
    'MINIO_ENDPOINT', 'MINIO_PUBLIC_ENDPOINT', 'MINIO_ACCESS_KEY', 'MINIO_SECRET_KEY',
    'MINIO_UPLOAD_ACCESS_KEY', 'MINIO_UPLOAD_SECRET_KEY', 'MINIO_BUCKET', 'MINIO_REGION'
)
$Generated = @('SECRET_KEY', 'JWT_SECRET')

function Stop-WithSentence([string]$Sentence) {
    [Console]::Error.WriteLine($Sentence)
    exit 1
}

function Invoke-Checked([string]$Program, [string[]]$Arguments, [string]$Failure) {
    # Windows PowerShell makes an error of every line on standard error once that is redirected.
    $ErrorActionPreference = 'Continue'
    & $Program $Arguments
    if ($LASTEXITCODE -ne 0) { Stop-WithSentence $Failure }
}

function New-Secret {
    $buffer = New-Object 'byte[]' 32
    $generator = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    $generator.GetBytes($buffer)
    $generator.Dispose()
    return (($buffer | ForEach-Object { $_.ToString('x2') }) -join '')
}

function Install-Requirements {
    $stamp = "$Root\.venv\installed.sha256"
    $digest = (Get-FileHash -Algorithm SHA256 "$Root\requirements.txt").Hash
    if ((Test-Path $Python) -and (Test-Path $stamp) -and (Get-Content $stamp) -eq $digest) { return }
    [Console]::Error.WriteLine('Installing requirements.txt into .venv ...')
    if (-not (Test-Path $Python)) {
        $found = 'py', 'python' | Where-Object { Get-Command $_ -ErrorAction SilentlyContinue }
        if (-not $found) { Stop-WithSentence 'Python 3.11 or newer is needed: https://www.python.org' }
        $launcher = @($found)[0]
        $version = 'import sys; sys.exit(sys.version_info < (3, 11))'
        Invoke-Checked $launcher @('-c', $version) "Python 3.11 or newer is needed; $launcher is none."
        Invoke-Checked $launcher @('-m', 'venv', '--clear', "$Root\.venv") 'It could not make .venv.'
    }
    $pip = @('-m', 'pip', '--disable-pip-version-check', '--no-input', 'install', '--quiet')
    $pip += @('--require-hashes', '-r', "$Root\requirements.txt")
    Invoke-Checked $Python $pip 'requirements.txt could not be installed; pip says above why.'
    Set-Content -Path $stamp -Value $digest -Encoding Ascii
}

function Initialize-Folder([string]$Folder) {
    New-Item -ItemType Directory -Force -Path $Folder | Out-Null
    $owner = [System.Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    $rights = @($Folder, '/inheritance:r', '/grant:r', "*${owner}:(OI)(CI)F", '/q')
    $failure = "$Folder cannot be made readable by you alone: choose a folder on an NTFS disk."
    Invoke-Checked 'icacls' $rights $failure | Out-Null
}

function Get-Settings([string]$File) {
    $before = @{}
    if (Test-Path $File) {
        foreach ($line in [System.IO.File]::ReadAllLines($File)) {
            $name, $value = $line -split '=', 2
            $before[$name] = $value
        }
    }
    $values = [ordered]@{}
    foreach ($name in $Settings) {
        $value = [Environment]::GetEnvironmentVariable($name)
        if (-not $value -and $Generated -contains $name) {
            $value = if ($before[$name]) { $before[$name] } else { New-Secret }
        }
        if (-not $value) { continue }
        if ($value -ne $value.Trim() -or $value -match '[\x00-\x1f]') {
            Stop-WithSentence "$name may not contain line breaks or begin or end with a blank."
        }
        $values[$name] = $value
    }
    # Without a byte order mark, which the service would take for a part of the first name.
    $lines = [string[]]($values.Keys | ForEach-Object { "$_=$($values[$_])" })
    [System.IO.File]::WriteAllLines($File, $lines)
    return $values
}

function Test-Port {
    $listener = New-Object System.Net.Sockets.TcpListener ([System.Net.IPAddress]::Loopback), $Port
    $listener.ExclusiveAddressUse = $true
    try { $listener.Start() }
    catch { Stop-WithSentence "Port $Port is in use; choose another with -Port." }
    finally { $listener.Stop() }
}

if ($env:OS -ne 'Windows_NT') {
    Stop-WithSentence 'This script is for Windows. On Linux and macOS: ./scripts/run'
}
foreach ($name in 'MINIO_ENDPOINT', 'MINIO_ACCESS_KEY', 'MINIO_SECRET_KEY') {
    if (-not [Environment]::GetEnvironmentVariable($name)) {
        Stop-WithSentence "$name is not set. Run scripts\start-minio.ps1 first, and set what it prints."
    }
}
if (-not $Data) { $Data = "$Root\var" }
$Data = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Data)
Test-Port
Install-Requirements
Initialize-Folder $Data
$values = Get-Settings "$Data\env"

# The window in which this runs gets its own environment back.
$inner = @{ DATA_DIR = $Data }
foreach ($name in $Generated) { $inner[$name] = $values[$name] }
$outer = @{}
foreach ($name in $inner.Keys) { $outer[$name] = [Environment]::GetEnvironmentVariable($name) }
Push-Location $Root
try {
    foreach ($name in $inner.Keys) { [Environment]::SetEnvironmentVariable($name, $inner[$name]) }
    Invoke-Checked $Python @('manage.py', 'migrate', '--verbosity', '0') 'The database is not ready.'
    Invoke-Checked $Python @('manage.py', 'bootstrap_store') 'The bucket is not ready.'
    $mint = @('manage.py', 'mint_jwt', $User, '--create')
    $token = Invoke-Checked $Python $mint 'No token could be made.'
    Write-Output @"
Remote Drive: http://127.0.0.1:$Port  store: $($values['MINIO_ENDPOINT'])  data: $Data
Ctrl-C ends it. A token of ${User}'s for an hour is in the next lines; another one, in the checkout:
  `$env:DATA_DIR = '$($Data.Replace("'", "''"))'; .venv\Scripts\python manage.py mint_jwt $User

An upload, to paste into another window (in any folder with a FILE):

`$api = 'http://127.0.0.1:$Port'; `$file = 'README.md'
`$call = @{ Method = 'Post'; ContentType = 'application/json; charset=utf-8'
           Headers = @{ Authorization = 'Bearer $token' } }
`$size = (Get-Item `$file).Length; `$sum = (Get-FileHash `$file).Hash
`$upload = Invoke-RestMethod @call "`$api/files/init-upload" -Body (ConvertTo-Json @{ filename = `$file; size = `$size })
curl.exe -sS -T `$file `$upload.presigned_put_url
Invoke-RestMethod @call "`$api/files/commit" -Body (ConvertTo-Json @{ key = `$upload.key; size = `$size; checksum = `$sum })

"@
    $flags = @(
        '--host', '127.0.0.1', '--port', "$Port", '--workers', '1',
        '--http', 'remotedrive.serving.protocol:Protocol', '--lifespan', 'on', '--no-access-log',
        '--no-server-header', '--no-proxy-headers', '--timeout-graceful-shutdown', '4',
        '--timeout-worker-healthcheck', '30'
    )
    Invoke-Checked $Python (@('-m', 'uvicorn', 'remotedrive.asgi:application') + $flags) 'The service has ended.'
}
finally {
    foreach ($name in $outer.Keys) { [Environment]::SetEnvironmentVariable($name, $outer[$name]) }
    Pop-Location
}
